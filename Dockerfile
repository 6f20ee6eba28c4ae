# syntax=docker/dockerfile:1
# Debian's own Python and git: one source of security updates, and nothing to compile.
FROM debian:trixie-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# requirements-postgres.lock: with what DIGEST_DATABASE=postgresql://… needs
ARG LOCK=requirements.lock
COPY requirements*.lock ./
RUN python3 -m venv /opt/commit-digest \
 && /opt/commit-digest/bin/pip install --no-cache-dir --require-hashes --requirement "$LOCK"
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY adapters adapters
COPY prompts prompts
RUN /opt/commit-digest/bin/pip install --no-cache-dir --no-deps . \
 && /opt/commit-digest/bin/pip uninstall --yes pip

FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git openssh-client python3 tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin digest
COPY --from=build /opt/commit-digest /opt/commit-digest
ENV PATH=/opt/commit-digest/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    DIGEST_DATABASE=/data/digest.db \
    DIGEST_CLONES=/data/clones \
    DIGEST_MONITOR_PORT=9464
USER 10001:10001
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['DIGEST_MONITOR_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["digest"]
CMD ["run"]
