"""Kubernetes quantities, checked before they reach a pod (contract: resource)."""

import re
from decimal import Decimal

#: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, without a sign.
_QUANTITY = re.compile(r"(\d{1,18}(\.\d{0,9})?|\.\d{1,9})(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,2})?")


def quantity_fault(text: str) -> str | None:
    """What is wrong with a quantity such as `8`, `500m` or `32Gi`; None: nothing."""
    if not _QUANTITY.fullmatch(text):
        return "must be a Kubernetes quantity like 8, 500m or 32Gi"
    return "must be more than zero" if is_zero(text) else None


def is_zero(value: object) -> bool:
    """Whether a quantity, or a number that was sent in its place, is none at all."""
    if isinstance(value, str):
        return _QUANTITY.fullmatch(value) is not None and not any(digit in "123456789" for digit in _number(value))
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value == 0


def _number(text: str) -> str:
    return re.split(r"[a-zA-Z]", text, maxsplit=1)[0]
