"""What the reference of a goodness-of-fit search is not sure of."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from serendip.config.section import Section


class Normalisation(Section):
    """The expected number of events is uncertain."""

    name: str = Field(description="what the report calls it")
    kind: Literal["normalisation"] = Field(description="which kind")
    sigma: float = Field(gt=0, description="relative uncertainty; 0.15 is 15 %")


class Scale(Section):
    """A feature is measured on an uncertain scale: x → x (1 + νσ)."""

    name: str = Field(description="what the report calls it")
    kind: Literal["scale"] = Field(description="which kind")
    feature: str = Field(description="which feature")
    sigma: float = Field(gt=0, lt=1, description="relative uncertainty of its scale")


class Learned(Section):
    """A change of shape of which there are samples at plus and minus one σ; the density ratio is learned from them."""

    name: str = Field(description="what the report calls it")
    kind: Literal["learned"] = Field(description="which kind")
    up: str | list[str] = Field(description="file of the sample at +1 σ, of the reference's luminosity")
    down: str | list[str] = Field(description="file of the sample at −1 σ, likewise")


NuisanceSettings = Annotated[Normalisation | Scale | Learned, Discriminator("kind")]
