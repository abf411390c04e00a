"""The section `monitor` of a goodness-of-fit config: how `serendip monitor` judges data as they come."""

import math

from pydantic import Field, model_validator

from serendip.config.section import Section


class Monitor(Section):
    """How `serendip monitor` cuts data into batches, and when it gives the alarm."""

    batch: int = Field(1000, ge=2, description="events judged together; their number, hence the rate, is not tested")
    false_alarms: float = Field(0.01, gt=0, lt=0.5, description="fraction of healthy batches that give the alarm")
    toys: int = Field(1000, ge=1, description="healthy batches drawn once, that every batch is ranked among")
    across_files: bool = Field(
        False,
        description="batches go on into the next file; if not, what a file leaves over is reported and not judged",
    )

    @model_validator(mode="after")
    def _enough_toys(self) -> "Monitor":
        if self.false_alarms * (self.toys + 1) < 1:
            needed = math.ceil(1 / self.false_alarms - 1e-9) - 1
            raise ValueError(
                f"toys: Got {self.toys}, but expected at least {needed}: with fewer no batch can be as rare as "
                f"false_alarms = {self.false_alarms:g}."
            )
        return self
