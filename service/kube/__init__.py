"""The Kubernetes adapter. Only what is named here is for others."""

from service.kube.client import ApiError, KubeSettings
from service.kube.kube import Kube, connect

__all__ = ["ApiError", "Kube", "KubeSettings", "connect"]
