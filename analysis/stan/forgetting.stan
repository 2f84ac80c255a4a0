// models/forgetting.toml in Stan: the rule theta_xr x r + theta_w w, choices of two stimuli.
// Same priors, same bound on the weights, same non-centred hierarchy as hebbax.model.priors; the values
// of an animal are in the order (x r, w, preference).
functions {
  real saturate(real w) {  // free up to 4, smoothly bounded below 5
    real excess = abs(w) - 4;
    if (excess <= 0) return w;
    return (4 + excess / sqrt(1 + square(excess))) * (w > 0 ? 1 : -1);
  }
}
data {
  int<lower=1> n_animals;
  int<lower=1> max_trials;
  array[n_animals] int<lower=1> n_trials;
  array[n_animals, max_trials] int<lower=0, upper=1> choice;  // of the second stimulus; 0 in padding
  array[n_animals] vector[max_trials] signal;                 // r = R - E[R]
  vector<lower=0>[3] scale;                                   // prior scales of the population
}
parameters {
  vector[3] population;
  vector<lower=0>[3] spread;
  array[n_animals] vector[3] deviation;
}
transformed parameters {
  array[n_animals] vector[3] value;
  for (a in 1 : n_animals) value[a] = population + spread .* deviation[a];
}
model {
  population ~ normal(0, scale);
  spread ~ normal(0, 0.5 * scale);
  for (a in 1 : n_animals) {
    int n = n_trials[a];
    vector[n] step = (0.5 * 0.75 * value[a, 1]) * signal[a, 1 : n];  // learning rate 1/2, x = 0.75
    real keep = 1 + 0.5 * value[a, 2];
    vector[n] first;  // weight of each stimulus before each trial
    vector[n] second;
    first[1] = 0;
    second[1] = 0;
    for (t in 1 : (n - 1)) {
      if (choice[a, t] == 1) {
        first[t + 1] = saturate(keep * first[t]);
        second[t + 1] = saturate(keep * second[t] + step[t]);
      } else {
        first[t + 1] = saturate(keep * first[t] + step[t]);
        second[t + 1] = saturate(keep * second[t]);
      }
    }
    deviation[a] ~ std_normal();
    // P(second) = q p_2 / (p_1 + q p_2), p = sigmoid(5 tanh(0.75 w)), log q the preference
    choice[a, 1 : n] ~ bernoulli_logit(value[a, 3] + log_inv_logit(5 * tanh(0.75 * second))
                                       - log_inv_logit(5 * tanh(0.75 * first)));
  }
}
