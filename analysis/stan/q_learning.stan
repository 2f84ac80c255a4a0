// models/q-learning.toml in Stan: the delta rule of bandit2arm_delta.stan with hebbax's links and priors,
// and no preference for an alternative.
//   alpha_i = logistic(logit(median_1) + mu_1 + sigma_1 z_i1),   beta_i = median_2 exp(mu_2 + sigma_2 z_i2)
//   P(k) ~ exp(beta Q_k),   Q_c += alpha (R - Q_c),   Q = 0 at the start
data {
  int<lower=1> n_people;
  int<lower=1> n_trials;
  array[n_people, n_trials] int<lower=1, upper=2> choice;
  array[n_people, n_trials] real reward;
  vector<lower=0>[2] median;  // of the prior of the population's learning rate and inverse temperature
  vector<lower=0>[2] scale;   // of that prior, on the logit and the logarithm
}
parameters {
  vector[2] mu;
  vector<lower=0>[2] sigma;
  matrix[n_people, 2] z;
}
transformed parameters {
  vector<lower=0, upper=1>[n_people] alpha = inv_logit(logit(median[1]) + mu[1] + sigma[1] * z[ : , 1]);
  vector<lower=0>[n_people] beta = median[2] * exp(mu[2] + sigma[2] * z[ : , 2]);
}
model {
  mu ~ normal(0, scale);
  sigma ~ normal(0, 0.5 * scale);
  to_vector(z) ~ std_normal();
  for (i in 1 : n_people) {
    vector[2] q = rep_vector(0, 2);
    for (t in 1 : n_trials) {
      int c = choice[i, t];
      c ~ categorical_logit(beta[i] * q);
      q[c] += alpha[i] * (reward[i, t] - q[c]);
    }
  }
}
