"""What other tools would say of two sets of times of one statement: the rules of their documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median

from scipy import stats

Rule = Callable[[Sequence[float], Sequence[float]], bool]
"""Base's times and head's → whether head is called slower."""


def mean_25_percent(base: Sequence[float], head: Sequence[float]) -> bool:
    """pytest-benchmark: ``--benchmark-compare-fail=mean:25%``."""
    return fmean(head) > 1.25 * fmean(base)


def pyperf_t_test(base: Sequence[float], head: Sequence[float]) -> bool:
    """pyperf: ``compare_to`` calls a difference significant by Student's two-sample t-test at 95 %."""
    return fmean(head) > fmean(base) and float(stats.ttest_ind(base, head).pvalue) < 0.05


def benchstat_u_test(base: Sequence[float], head: Sequence[float]) -> bool:
    """benchstat: the Mann-Whitney U-test at α = 0.05, then the medians say which way."""
    found = stats.mannwhitneyu(base, head, alternative="two-sided")
    return median(head) > median(base) and float(found.pvalue) < 0.05


RULES: Mapping[str, Rule] = {
    "pytest-benchmark, mean:25%": mean_25_percent,
    "pyperf, t-test": pyperf_t_test,
    "benchstat, U-test": benchstat_u_test,
}
