# The one product image: the service, its migrations and every step of a job.
# The base needs Python 3.11 as python3 and util-linux (nsenter), which any Debian has.
ARG BASE=python:3.11-slim-bookworm
# For the one program beside Python.
ARG GO=golang:1.26-bookworm

FROM ${GO} AS programs
WORKDIR /build
# The same pinned module that the local cluster builds it from; handed in like the packages below where nothing is reached.
COPY local_cluster/go/crane build/cran[e] ./
RUN mkdir -p /programs; \
    if [ -f crane ]; then install -m 755 crane /programs/crane; else \
        CGO_ENABLED=0 GOBIN=/programs go install -trimpath -buildvcs=false -ldflags '-s -w' tool; \
    fi

FROM ${BASE} AS packages
ARG UV_VERSION=0.13.9
WORKDIR /build
# Where a build reaches no package index, the packages are made outside and handed in (python -m local_cluster image);
# the wildcard lets that archive be absent.
COPY pyproject.toml uv.lock build/packages.ta[r] ./
RUN mkdir -p /packages; \
    if [ -f packages.tar ]; then tar -xf packages.tar -C /packages; else \
        python3 -m pip install --no-cache-dir "uv==${UV_VERSION}" && \
        uv export --quiet --frozen --no-default-groups --no-emit-project --output-file requirements.txt && \
        uv pip install --no-cache --require-hashes --target /packages --requirement requirements.txt; \
    fi
# The root filesystem is read-only where this runs, so Python can keep nothing it compiled.
RUN python3 -m compileall -q -j 0 /packages

# What is in it, for whoever has to know: docker run --rm --entrypoint cat IMAGE /opt/opsjobs/sbom.cdx.json
FROM ${BASE} AS sbom
WORKDIR /build
COPY local_cluster/sbom.py pyproject.toml ./
COPY --from=programs /programs /programs
COPY --from=packages /packages /packages
RUN python3 sbom.py pyproject.toml /packages /programs/crane > sbom.cdx.json

FROM ${BASE}
LABEL org.opencontainers.image.title="OpsJobs" \
      org.opencontainers.image.description="Operations on the nodes of a GPU cluster, as Argo Workflows behind one API" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=programs /programs/crane /usr/local/bin/crane
COPY --from=packages /packages /opt/opsjobs/packages
COPY --from=sbom /build/sbom.cdx.json /opt/opsjobs/sbom.cdx.json
COPY service /opt/opsjobs/service
COPY workflow_templates /opt/opsjobs/workflow_templates
COPY console /opt/opsjobs/console
ENV PYTHONPATH=/opt/opsjobs:/opt/opsjobs/packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN python3 -m compileall -q /opt/opsjobs/service /opt/opsjobs/workflow_templates
# How a privileged step becomes root on its host (docs/decisions/0009); without that privilege it is an nsenter like any.
RUN install -m 4755 /usr/bin/nsenter /usr/local/bin/host-nsenter
WORKDIR /opt/opsjobs
USER 65532:65532
EXPOSE 8080
CMD ["python3", "-m", "service.main"]
