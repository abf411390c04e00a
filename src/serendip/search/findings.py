"""The numbers of a finished resonance search, from which result, report and exports are made."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from serendip.data import Window
from serendip.errors import FitError
from serendip.run.folder import RunFolder
from serendip.run.provenance import Stopwatch, peak_memory_mb, versions
from serendip.search.gate import check_all
from serendip.search.load import input_files
from serendip.search.prepare import Prepared, count_summary
from serendip.search.result import Best, Result, p_value_json
from serendip.search.scan import Scan
from serendip.search.template_quality import TemplateQuality
from serendip.seeds import seed_for
from serendip.stats.background_fit import BackgroundFit
from serendip.stats.excess import LocalExcess, local_p_value
from serendip.stats.families import FAMILIES
from serendip.stats.look_elsewhere import gross_vitells
from serendip.stats.order import choose_order
from serendip.stats.p_value import PValue, toy_p_value
from serendip.stats.spectrum import Spectrum, poisson_scale
from serendip.stats.spurious_signal import spurious_signal
from serendip.stats.tail import TailFit, tail_p_value

FEWEST_FOR_TAIL = 200
NO_EXCESS = -10.0  # in place of −inf, where a number is needed


class Findings:
    """The numbers of a finished search, from which result, report and exports are made.

    Attributes:
        p: the analysis.
        data: the scan of the data.
        toys: the scans of the background-only toys.
        mass_auc: of window against sidebands by the features alone, (windows,).
        templates: how good each template is in the control windows, (template methods × windows,), windows fastest.
        best_spectrum: the cut spectrum of the best method, window and cut.
        local: its fit and local p.
    """

    def __init__(
        self,
        p: Prepared,
        data: Scan,
        toys: Sequence[Scan],
        observed: Sequence[dict[str, Any]],
        dependence: Sequence[dict[str, Any]],
        templates: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.p, self.data, self.toys = p, data, list(toys)
        self.observed = observed
        self.mass_auc = np.array([task["auc"] for task in dependence])
        self.templates = [TemplateQuality.from_arrays(task, "control") for task in templates]
        self.mass_auc_error = np.array([task["error"] for task in dependence])
        self.local: LocalExcess = local_p_value(
            self.best_spectrum,
            self.window,
            p.config.background.shape,
            int(data.order[data.best]),
            toys=p.config.background.toys,
            seed=seed_for(p.config.seed, "local toys"),
        )

    @property
    def window(self) -> Window:
        """The best window."""
        return self.p.windows[self.data.best[1]]

    @property
    def best_task(self) -> dict[str, Any]:
        """Scores and spectra of the best method and window."""
        method, window, _ = self.data.best
        return self.observed[method * len(self.p.windows) + window]

    @property
    def best_spectrum(self) -> Spectrum:
        """The cut spectrum of the best method, window and cut."""
        return self.cut_spectrum(self.data.best[2])

    def cut_spectrum(self, cut: int) -> Spectrum:
        """The spectrum of the best method and window after one of the cuts."""
        mass = self.p.config.mass
        task = self.best_task
        return Spectrum(self.p.edges, task["counts"][cut], task["variances"][cut], mass.name, mass.unit)

    @property
    def largest_toys(self) -> np.ndarray:
        """The largest Z of each toy: the distribution of the global statistic, (toys,)."""
        return np.array([toy.largest_z for toy in self.toys])

    @property
    def global_p(self) -> PValue | None:
        """How often a background-only toy, retrained, finds anything as significant anywhere."""
        if not self.toys:
            return None
        return toy_p_value(int(np.sum(self.largest_toys >= self.data.largest_z)), len(self.toys))

    @property
    def repeated_local_p(self) -> PValue | None:
        """How often a toy is as significant in the best window and cut, retraining included."""
        if not self.toys:
            return None
        # A toy whose fit failed there counts against us.
        there = np.array([toy.z[self.data.best] if toy.converged[self.data.best] else np.inf for toy in self.toys])
        return toy_p_value(int(np.sum(there >= self.data.largest_z)), len(there), "toys, retrained")

    @cached_property
    def tail(self) -> TailFit | None:
        """The global p by a fit to the toys' tail, in q = Z |Z|, whose tail is nearly exponential."""
        if len(self.toys) < FEWEST_FOR_TAIL:
            return None
        largest = np.maximum(self.largest_toys, NO_EXCESS)  # a toy without a single fit has none
        z = self.data.largest_z
        return tail_p_value(z * abs(z), largest * np.abs(largest), seed=seed_for(self.p.config.seed, "tail"))

    def gross_vitells_p(self) -> PValue | None:
        """The bound from upcrossings: each method and cut is a scan over windows, end to end."""
        if not self.toys or self.data.largest_z <= 0.5:
            return None
        # Windows that are not scanned can never be crossed into; scans are laid end to end, a deficit between them.
        z = np.maximum([toy.z.transpose(0, 2, 1) for toy in self.toys], NO_EXCESS)
        between = np.full((*z.shape[:3], 1), NO_EXCESS)
        scans = np.concatenate([between, z], axis=3).reshape(len(z), -1)
        return gross_vitells(self.data.largest_z, scans).global_p

    def spurious(self) -> float:
        """The signal over its error that the fit invents, where the best cut's background follows another family.

        Every other family that describes the sidebands in its turn is the truth, without fluctuations; the window that
        comes out farthest from 0 counts.
        """
        found = [0.0]
        scale = poisson_scale(self.best_spectrum.counts, self.best_spectrum.variances)
        for shape in self._other_shapes():
            invented = spurious_signal(
                shape.expected[None],
                self.p.edges,
                self.p.windows,
                self.p.config.background.shape,
                int(self.data.order[self.data.best]),
                variances=(shape.expected * scale)[None],
            )
            found += [float(value) for value in invented.mean if np.isfinite(value)]
        return max(found, key=abs)

    def _other_shapes(self) -> list[BackgroundFit]:
        """Fits of families other than the config's that describe the best spectrum's sidebands."""
        shapes = []
        for family in FAMILIES:
            if family == self.p.config.background.family:
                continue
            try:
                fit = choose_order(self.best_spectrum, family, self.window).fit
            except FitError:
                continue
            if fit.goodness_p >= self.p.config.gate.min_goodness:
                shapes.append(fit)
        return shapes

    def result(self, folder: RunFolder, watch: Stopwatch) -> Result:
        """Everything that result.json holds."""
        p, data = self.p, self.data
        config = p.config
        method, _, cut = data.best
        at = data.best
        return Result(
            search=config.search,
            method=", ".join(m.title for m in config.method),
            local_p=self.local.asymptotic,
            global_p=self.global_p,
            best=Best(
                method=config.method[method].title,
                window=(self.window.low, self.window.high),
                cut=config.cuts[cut],
                observed=float(data.observed[at]),
                expected=float(data.expected[at]),
                expected_error=float(data.expected_error[at]),
            ),
            trials={"windows": len(p.windows), "cuts": len(config.cuts), "methods": len(config.method)},
            checks=check_all(p, data, self.toys, self.mass_auc, self.spurious(), self.templates),
            seed=config.seed,
            config_sha256=folder.config_sha256,
            inputs=tuple(input_files(config)),
            cross_checks=self.cross_checks(),
            events=count_summary(p),
            versions=versions(),
            timing=watch.timing(),
            peak_memory_mb=peak_memory_mb(),
        )

    def cross_checks(self) -> dict[str, Any]:
        """Other ways to the same numbers."""
        checks: dict[str, Any] = {}
        for name, value in (
            ("local_by_fit_toys", self.local.toys),
            ("local_by_retrained_toys", self.repeated_local_p),
            ("global_gross_vitells", self.gross_vitells_p()),
        ):
            if value is not None:
                checks[name] = p_value_json(value)
        if (tail := self.tail) is not None:
            checks["global_tail_fit"] = p_value_json(tail.p) | {
                "goodness_p": tail.goodness,
                "flagged": tail.flagged,
                "reason": tail.reason,
            }
        return checks
