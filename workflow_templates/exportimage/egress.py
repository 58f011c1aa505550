"""Where an export may call: what a source registry names (a token service, a store) is an address of its choosing."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Metadata services of clouds that are not link-local: of AWS and Google over IPv6, of Alibaba, Oracle and Azure.
_METADATA = tuple(
    map(ipaddress.ip_network, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"))
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The rules. `registry` and `insecure` are hosts as images are named by them: with a port where it is not 443."""

    #: The configured target, which is always allowed.
    registry: str
    #: exportImage.refusedNetworks.
    refused: tuple[Network, ...] = ()
    #: Addresses of the Kubernetes API.
    api: frozenset[Address] = frozenset()
    #: exportImage.insecureSources: the only ones that are read over plain HTTP.
    insecure: frozenset[str] = frozenset()

    @classmethod
    def of(cls, registry: str, refused: Iterable[str], insecure: Iterable[str], api: str) -> "Egress":
        """The rules as they travel; `api` is the address of the Kubernetes API in the pod's environment."""
        return cls(
            registry=registry,
            refused=tuple(ipaddress.ip_network(network, strict=False) for network in refused),
            api=frozenset({ipaddress.ip_address(api)}),
            insecure=frozenset(insecure),
        )

    def is_target(self, host: str, port: int) -> bool:
        return _named(host, port, HTTPS_PORT) == self.registry.lower()

    def may_speak_http(self, host: str, port: int) -> bool:
        return _named(host, port, 80) in self.insecure

    def why_not(self, address: Address) -> str:
        """What forbids to call an address, to go on after "it is "; empty: nothing does."""
        return next((why for one in _meant(address) if (why := self._is_refused(one))), "")

    def _is_refused(self, address: Address) -> str:
        if network := next((network for network in self.refused if address in network), None):
            return f"in {network}, which exportImage.refusedNetworks refuses"
        kinds = {
            "link-local, where machines find their cloud's credentials": address.is_link_local,
            "this machine itself": address.is_loopback or address.is_unspecified,
            "a multicast address": address.is_multicast,
            "the Kubernetes API": address in self.api,
            "a cloud's metadata service": any(address in network for network in _METADATA),
        }
        return next((what for what, applies in kinds.items() if applies), "")


def _named(host: str, port: int, usual: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed.lower() if port == usual else f"{bracketed}:{port}".lower()


def _meant(address: Address) -> Iterator[Address]:
    """An address, and the IPv4 address that one of IPv6 may stand for."""
    yield address
    if isinstance(address, IPv6Address):
        if mapped := address.ipv4_mapped or address.sixtofour:
            yield mapped
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
