"""A score that calls the signal more common than the background, and what to say of it."""

SIGMAS = 2.0


def below_chance_warning(method: str, auc: float, error: float = 0.0) -> str | None:
    """The warning for an AUC below 0.5 on labelled events; None where it is not below by twice its error.

    Turning the score round is no way out: the sign would have been chosen by the signal that it is to find.

    Args:
        method: as the reader knows it.
        auc: area under the ROC curve on labelled events.
        error: its standard error.
    """
    if auc >= 0.5 - SIGMAS * error:
        return None
    return (
        f"{method} has an AUC of {auc:.3f} on the labelled events: it calls this signal more common than the background. "
        "Cuts on the score remove the signal. Do not reverse the sign, which another signal would need otherwise: "
        "choose other features, or a method that compares two samples."
    )
