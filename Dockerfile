# The operator's image. Build it with: docker build -t YOUR-REGISTRY/cutover:0.1.0 .
#
# The base is pinned by tag; where you can look its digest up, pin that: --build-arg
# PYTHON=3.11.14-slim-trixie@sha256:… The tests of this repository run on Python 3.11.
ARG PYTHON=3.11.14-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PYTHONSAFEPATH=1
WORKDIR /src
RUN python -m venv /opt/cutover
COPY requirements.lock ./
RUN /opt/cutover/bin/python -m pip install --quiet --require-hashes --only-binary=:all: -r requirements.lock
COPY requirements-build.lock ./
RUN python -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --quiet --require-hashes --only-binary=:all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/cutover/bin/python -m pip install --quiet --no-deps --no-index dist/*.whl \
    && /opt/cutover/bin/python -m pip check
# Nothing is installed and nothing compiled once the root is read-only.
RUN /opt/cutover/bin/python -m pip uninstall --quiet --yes pip setuptools \
    && /opt/cutover/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/cutover/lib

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="cutover" \
      org.opencontainers.image.description="Kubernetes operator that moves AI inference traffic from one cluster to another" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/cutover /opt/cutover
ENV PATH=/opt/cutover/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "cutover"]
