"""The Docker daemon, with generous timeouts: on two busy cores it may take minutes to remove a container."""

import docker
from docker.errors import DockerException

TIMEOUT_SECONDS = 300
GREETING_SECONDS = 10


def client() -> docker.DockerClient:
    return docker.from_env(timeout=TIMEOUT_SECONDS)


def answers() -> bool:
    try:
        greeted = docker.from_env(timeout=GREETING_SECONDS)
        greeted.ping()
        greeted.close()
    except DockerException:
        return False
    return True
