# UNTRIED: this file was written where no container engine runs. Its steps were tried by hand outside of a container
# (docs/deploy.md says which); the image as such was never built. If you build it, please tell what happened.
#
# docker build -t hyperkms .
# The tags below move. Pin both images by digest (image@sha256:...) before you rely on a build.

# ---- build: makes the wheels; nothing else of this stage is kept ----
FROM rust:1.90-slim-trixie AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# maturin is among the pinned development packages; the others come along and stay here.
COPY requirements/dev.txt requirements/dev.txt
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements/dev.txt
COPY Cargo.toml Cargo.lock pyproject.toml README.md LICENSE ./
COPY core core
COPY cosign cosign
# A member of the Rust workspace, without which cargo does not begin; the image has no use for it.
COPY recover recover
COPY src src
RUN for crate in core cosign; do \
        PYO3_PYTHON=/venv/bin/python /venv/bin/maturin build --release --locked \
            --interpreter /venv/bin/python --out /wheels --manifest-path "$crate/Cargo.toml" || exit 1; \
    done

# ---- run: no compiler, no sources; the same Debian release, so the same C library ----
FROM python:3.13-slim-trixie
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HYPERKMS_DATA=/data
COPY requirements/run.txt /tmp/run.txt
RUN pip install --no-cache-dir --no-compile --require-hashes --requirement /tmp/run.txt && rm /tmp/run.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-compile --no-deps --no-index /wheels/hyperkms-*.whl /wheels/hyperkms_cosign-*.whl
# A volume takes over owner and mode; the service refuses a data directory that others may enter.
RUN install --directory --mode=0700 --owner=10001 --group=10001 /data
VOLUME ["/data"]
USER 10001:10001
WORKDIR /
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 3000), timeout=3); c.request('GET', '/ready'); sys.exit(c.getresponse().status != 200)"]
# Listens on the container's own loopback unless told otherwise: docs/deploy.md has the line that opens it.
ENTRYPOINT ["hyperkms"]
CMD ["serve"]
