"""Does the API still take and send what its clients rely on?"""

from local_cluster.binaries import built_tool
from local_cluster.cluster_settings import CHECKOUT, Settings
from local_cluster.stages import Stages

#: What the routes say now, and what they said when clients began to rely on it: at the last release.
NOW, RELEASED = CHECKOUT / "docs" / "openapi.json", CHECKOUT / "docs" / "openapi.released.json"


def lint(settings: Settings, stages: Stages) -> None:
    """Raise StageError with oasdiff's words where a client of the last release would break.

    Its warnings count too: a field that is no longer known in a request is one, and such a request would be refused.
    """
    oasdiff = built_tool(settings.cache, "oasdiff", stages)
    with stages.stage("Looking for breaking changes of the API") as stage:
        stage.run([oasdiff, "breaking", RELEASED, NOW, "--fail-on", "WARN"])
