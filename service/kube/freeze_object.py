"""The ConfigMap that freezes the cluster: steps read it before they lock a node, also while the service is down."""

from service.kube.adapter import Adapter
from service.kube.cache import BriefCache
from service.kube.client import Api, ConflictError, KubeSettings
from workflow_templates.protocol.api_path import api_path, object_path
from workflow_templates.protocol.freeze import NAME, Freeze

#: How old what is known of the freeze may be, where another replica or a person has changed it.
SECONDS = 1.0


class FreezeObject(Adapter):
    def __init__(self, api: Api, settings: KubeSettings) -> None:
        super().__init__(api, settings)
        self._configmaps = api_path("v1", "configmaps", namespace=settings.jobs_namespace)
        self._freeze_path = object_path(self._configmaps, NAME)
        self._freeze: BriefCache[Freeze | None] = BriefCache(SECONDS, 1)

    async def freeze(self) -> Freeze | None:
        return await self._freeze.get("freeze", self._read_freeze)

    async def set_freeze(self, freeze: Freeze) -> None:
        self._freeze.keep("freeze", await self._write_freeze(freeze))

    async def lift_freeze(self) -> None:
        await self._api.delete(self._freeze_path)
        self._freeze.keep("freeze", None)

    async def _read_freeze(self) -> Freeze | None:
        return Freeze.of(await self._api.get(self._freeze_path))

    async def _write_freeze(self, freeze: Freeze) -> Freeze:
        """Returns it as it stands there."""
        new = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": freeze.data}
        try:
            await self._api.create(self._configmaps, new)
        except ConflictError:
            found = Freeze.of(await self._api.patch(self._freeze_path, {"data": freeze.who_and_why}))
            return found or await self._write_freeze(freeze)  # lifted in between
        return freeze
