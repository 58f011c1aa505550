from service.kube.client import Api, KubeSettings


class Adapter:
    """Fills a part of the port service.jobs.ports.Cluster; what each method means is said there."""

    def __init__(self, api: Api, settings: KubeSettings) -> None:
        self._api = api
        self._settings = settings
