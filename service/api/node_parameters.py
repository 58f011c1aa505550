"""The query of GET /api/v1/nodes."""

from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field

from service.api.list_parameters import MAX_LIMIT, MAX_OFFSET, Text, validated
from service.api.problems import refused
from service.api.queries import Parsed, Query, or_empty, whole_number
from service.domain import label_selector
from service.domain.label_selector import LabelSelector
from service.domain.node_list import NodeQuery
from service.domain.request_faults import Fault, cut, shown


def _selector(text: str) -> LabelSelector:
    try:
        return label_selector.parse(text)
    except ValueError as error:
        raise ValueError(cut(str(error))) from error


class NodeParameters(Query):
    workspace: Text = Field(None, description="nodes that are labelled for it")
    selector: Annotated[LabelSelector | None, Parsed(_selector, or_empty({"type": "string"}))] = Field(
        None, description="a Kubernetes label selector over the labels that are shown"
    )
    name: Text = Field(None, description="case-insensitive substring")
    limit: Annotated[int, whole_number(1, MAX_LIMIT)] = 100
    offset: Annotated[int, whole_number(0, MAX_OFFSET)] = 0


def node_query(params: Mapping[str, str], labels: Collection[str]) -> NodeQuery:
    """What was asked for; unknown names are ignored, an empty value is an absent one.

    A selector reads only labels that are shown: whether a node has another is not for every caller.

    Raises:
        Problem: 400 with every fault of the query at once.
    """
    asked = validated(NodeParameters, params)
    known = ", ".join(sorted(labels)) or "none"
    strange = [one.key for one in asked.selector.requirements if one.key not in labels] if asked.selector else []
    if strange:
        raise refused(Fault("selector", f"{shown(key)} is no label that is shown here: {known}") for key in strange)
    return NodeQuery(
        workspace=asked.workspace or "",
        selector=asked.selector,
        name=asked.name or "",
        limit=asked.limit,
        offset=asked.offset,
    )
