"""Kubernetes quantities, checked before they reach a pod (contract: resource)."""

import re

#: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, without a sign.
_QUANTITY = re.compile(r"(\d{1,18}(\.\d{0,9})?|\.\d{1,9})(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,2})?")


def quantity_fault(text: str) -> str | None:
    """What is wrong with a quantity such as `8`, `500m` or `32Gi`; None: nothing."""
    if not _QUANTITY.fullmatch(text):
        return f"{text!r} is not a Kubernetes quantity like 8, 500m or 32Gi"
    if not any(digit in "123456789" for digit in re.split(r"[a-zA-Z]", text)[0]):
        return f"{text!r} must be more than zero"
    return None
