// Two-armed bandit, delta rule: the model and priors that hBayesDM calls bandit2arm_delta, from its
// published equations (Ahn, Haines & Zhang 2017, Computational Psychiatry 1, 24-57).
//   A_i = Phi(mu_1 + sigma_1 z_i1),   tau_i = 5 Phi(mu_2 + sigma_2 z_i2)
//   P(k) ~ exp(tau Q_k),   Q_c += A (R - Q_c),   Q = 0 at the start
data {
  int<lower=1> n_people;
  int<lower=1> n_trials;
  array[n_people, n_trials] int<lower=1, upper=2> choice;
  array[n_people, n_trials] real reward;
}
parameters {
  vector[2] mu;
  vector<lower=0>[2] sigma;
  matrix[n_people, 2] z;
}
transformed parameters {
  vector<lower=0, upper=1>[n_people] A = Phi_approx(mu[1] + sigma[1] * z[ : , 1]);
  vector<lower=0, upper=5>[n_people] tau = 5 * Phi_approx(mu[2] + sigma[2] * z[ : , 2]);
}
model {
  mu ~ std_normal();
  sigma ~ normal(0, 0.2);
  to_vector(z) ~ std_normal();
  for (i in 1 : n_people) {
    vector[2] q = rep_vector(0, 2);
    for (t in 1 : n_trials) {
      int c = choice[i, t];
      c ~ categorical_logit(tau[i] * q);
      q[c] += A[i] * (reward[i, t] - q[c]);
    }
  }
}
