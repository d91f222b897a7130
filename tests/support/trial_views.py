"""Trials as samplers see them."""

from collections.abc import Mapping

from search.trial import Proposal, TrialView


def view(proposal: Proposal, scores: Mapping[int, float]) -> TrialView:
    """A trial of this proposal with these scores by epochs; it still trains if there are none."""
    return TrialView(0, proposal.configuration, scores=scores, note=proposal.note)
