"""The formulas of a report, enough to compute its numbers again: estimator, order of draws, generator, seed."""

from core.metrics import formula_of, headline_metrics

FORMULAS = {
    "share": "s_g = k_g / K: rows of group g in the top k / rows of known group in the top k",
    "base share": "p_g = n_g / N: searched rows of group g / searched rows of known group",
    "lean": "ratio s_g / p_g and points s_g - p_g; independent of the target",
    "interval of a share, a ratio, a lean and a distance": (
        "P_w(X = x) proportional to C(n_g, x) C(N - n_g, K - x) w^x (Fisher's noncentral hypergeometric distribution, "
        "odds w for g against the rest); the ends of s_g are E_w[X] / K at the w with P_w(X >= k_g) = .025 and at the "
        "w with P_w(X <= k_g) = .025, full tails, w = 0 or infinity where k_g is the smallest or largest possible "
        "number; over p_g for a ratio, minus p_g for a lean, minus t_g for a distance; exact, no draws"
    ),
    "p of a lean": (
        "two groups: k_g is hypergeometric (N, n_g, K), twice the smaller tail, at most 1, exact; more: the chance "
        "of a G = 2 sum_g k_g ln(k_g / (K p_g)), 0 ln 0 = 0, at least as large (values within 1e-9 are equal), summed "
        "over all outcomes where C(K + groups - 1, groups - 1) <= 200,000, else (1 + b) / (1 + B), b of B draws of "
        "numpy's default_rng(0).multivariate_hypergeometric(n, K, method marginals), groups in the order of the "
        "data table, those without searched rows left out, B = max(19,999, 1,000 m - 1) for a family of m"
    ),
    "smallest p": (
        "of a lean: the smallest p of any outcome with the same n_g and K, or 1 / (1 + B) where drawn; of an effect: "
        "2 / C(a + a', a) for a rows that leave and a' that enter; of a mean: 2 / (1 + B) for two groups, else "
        "1 / (1 + B)"
    ),
    "lean of rows that belong together": (
        "where the gallery says which rows are of one person, film or scene: p by labels of whole clusters, permuted "
        "among clusters of like size with default_rng(seed), B = max(19,999, 2,000 m - 1); intervals of counts divided "
        "by the design effect, laid around the observed share, with ratio 1 inside exactly where the p of the group "
        "exceeds .05"
    ),
    "p of a group": (
        "k_g hypergeometric (N, n_g, K), twice the smaller tail, exact; adjusted by Holm over the groups of the list "
        "(with two groups there is one test)"
    ),
    "leading group": (
        "largest departure (k_g - K p_g) / sqrt(K p_g (1 - p_g) (N - K) / (N - 1)) above 0 among groups with an "
        "adjusted p of at most .05 and at least 30 searched rows, where the p of all groups is at most .05"
    ),
    "worst pair": "the groups with at least 30 searched rows that depart most upwards and most downwards",
    "distance": "s_g - t_g = (p_g - t_g) + (s_g - p_g): target t_g, composition of the gallery, lean of the model",
    "blind draw": (
        "k_g / K at the 2.5 % and 97.5 % points of the hypergeometric distribution (N, n_g, K); context, no test; "
        "metrics: as the null band"
    ),
    "shares where groups are unknown": (
        "k_g / (K + u) to (k_g + u) / (K + u), u unknown rows in the top k; shown where u is more than 5 % of them"
    ),
    "skew": "ln(s_g / t_g), t_g the target share; s_g = 0 counts as 1/K",
    "interval of a metric": (
        "test inversion: lists drawn from p(t) proportional to t_g (s_g / t_g)^t, half a row added to every group, on "
        "a grid of t; the metric at the t under which a value as far out as the observed one has a chance of 2.5 %, "
        "equal values one half; 1,000 draws, numpy's default_rng(seed)"
    ),
    "null band": (
        "middle 95 % of the metric of 1,000 draws default_rng(seed).multivariate_hypergeometric(n, K, method "
        "marginals), for ndkl each shuffled after by the same generator (permuted); only where the target is the "
        "shares of the searched rows"
    ),
    "p of an effect": (
        "a rows leave the top k and a' enter, known groups only; of g among those that enter: hypergeometric "
        "(a + a', rows of g among all of them, a'), twice the smaller tail, exact; more than two groups: as the p of a "
        "lean, with the G of the table {leave, enter} x groups"
    ),
    "interval of a change of share": (
        "Tango's score interval (1998) of (won - lost) / K, K = min of the two lists' known rows, won = M e (1 - l), "
        "lost = M l (1 - e), l and e the group's shares of the a rows that leave and the a' that enter, "
        "M = K (a / K_before + a' / K_after) / 2; shifted so that the observed change is its centre; ends reach 0 "
        "where the group's p exceeds .05 and stop before 0 where it does not"
    ),
    "change of a metric": (
        "after minus before; counts: default_rng(seed), 1,000 draws each in this order: Dirichlet(l_g + .5), "
        "Dirichlet(e_g + .5), Dirichlet(rows that stay + .5), Beta(stay + .5, (a + a') / 2 + .5) for the share that "
        "stays; 2.5 % and 97.5 % points of the differences as drawn and of the same around the observed difference, "
        "the outer of both; ndkl: 1,000 resamples, default_rng(seed).poisson(1) weights of the rows of both rankings "
        "in order of row number, deviations from their mean, widened by Student's quantile of the exchanged rows"
    ),
    "direction": (
        "d, d' = share minus target before and after, of the group that leads before, else of the one that "
        "changed most in standard errors: no change beyond chance if p > .05; away if the interval before holds the "
        "target; past if the sign changes and the interval after excludes the target; towards if |d'| < |d|; else "
        "away. The lean's direction is the same with p_g for the target"
    ),
    "mean over prompts": (
        "mean of s_g - p_g; p: departures from the mean of B permutations of the N labels of the searched rows, once "
        "for all prompts of a draw: a row weighs the sum w of 1 / (K prompts) over the prompts that retrieve it; "
        "retrieved rows by row number stand at the first of default_rng(seed).permutation(N) places of a circle, the "
        "others weigh nothing; then labels in the order of the groups are shuffled by its .permuted, D / N times "
        "rounded up, each with all its N turns round the circle, D = max(19,999, "
        "2,000 m - 1), B the turns together (above 2,097,152 labels: D draws, rows of equal w together, "
        "hypergeometric); two groups: twice the smaller tail, "
        "(1 + b) / (1 + B); more: the largest |departure| in standard deviations of the permuted means; groups are "
        "named as for one list"
    ),
    "interval of a mean over prompts": (
        "prompts resampled, default_rng([seed, 1]).multinomial, widened to Student's quantile, plus what 1,000 "
        "resamples of the rows (default_rng(seed).poisson(1) weights, the same for all prompts and arms) add to the "
        "mean in common; about prompts and rows like these, while p is about these prompts: the interval may hold 0 "
        "where p is small"
    ),
    "mean change over prompts": (
        "the same for share after minus share before; p permutes the labels of all rows that enter or leave any list, "
        "with weights 1 / (K prompts) for entering and minus that for leaving"
    ),
    "random neurons": (
        "20 draws, default_rng(seed): each switched neuron replaced by one of the 16 free neurons nearest in log "
        "firing rate; size = mean over prompts of |s_g - p_g|, g the group with the largest departure of the original; "
        "p = (1 + draws of as small a size as the edit) / (1 + draws)"
    ),
    "impact ratio": (
        "selection rate k_g / n_g over the highest among known groups of at least 2 % of all searched rows; interval: "
        "k_g given k_g + k_h of the benchmark h is noncentral hypergeometric (n_g, n_h) as above, the benchmark taken "
        "as fixed; no upper end where all selected rows may be of g. Selection rate: the interval of s_g times K / n_g"
    ),
    "cosine": (
        "mean over the searched rows of the cosine of a row before and after, +- 1.96 standard deviations / sqrt(n)"
    ),
    "rows changed": "share of the searched rows whose embedding the edit changes, Wilson's interval",
    "zero-shot": (
        "accuracy and groups: Wilson, differences Newcombe 1998 method 10; worst group and gap: test inversion over "
        "rates with that largest difference, 1,000 draws, seed; their differences: these intervals joined with the "
        "correlation of a paired bootstrap"
    ),
    "AUC of an explicit query": (
        "share of (in the group, not in it) pairs in order, ties one half; score intervals of the two means of "
        "placements, joined by square-and-add; differences: the same of the rows' changes of placement"
    ),
    "leakage": (
        "AUC of a logistic probe, five stratified folds shuffled by the seed, compared within folds; DeLong's variance "
        "times 2 - (1 - tau)^2, tau the share of noise in the probe's direction"
    ),
    "Holm": "sorted p times m, m - 1, ..., 1, made rising, at most 1",
    "Benjamini-Hochberg": "sorted p times m / rank, made rising from the largest, at most 1",
}
METRICS_AFTER = "skew"
"""The formula behind which those of the metrics stand."""


def formulas() -> dict[str, str]:
    """All formulas, those of the registered metrics among them."""
    found: dict[str, str] = {}
    for name, formula in FORMULAS.items():
        found[name] = formula
        if name == METRICS_AFTER:
            found |= {name: formula_of(metric) for name, metric in headline_metrics().items()}
    return found
