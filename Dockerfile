# denoisebench in a container, see docs/install.md. On a processor:
#   docker build -t denoisebench .
# For NVIDIA's GPUs, with a CUDA release that the host's driver runs:
#   docker build -t denoisebench:cuda --build-arg TORCH=cu132 .
FROM python:3.11-slim
ARG TORCH=cpu
# uv takes torch and torchvision of that kind. A user by number has no name, which torch asks for.
ENV UV_TORCH_BACKEND=${TORCH} \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1 \
    PATH=/opt/denoisebench/bin:${PATH} \
    HOME=/data \
    USER=denoisebench
WORKDIR /opt/source
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY denoisebench denoisebench
COPY bench bench
COPY metrics metrics
COPY reports reports
COPY conf conf
RUN python -m venv /opt/denoisebench
RUN --mount=type=cache,target=/data/.cache \
    python -m pip install --disable-pip-version-check uv==0.13.9
# The lock as constraints: its versions, and of its packages those alone that this torch needs.
RUN --mount=type=cache,target=/data/.cache \
    uv pip install --python /opt/denoisebench/bin/python \
    --constraints requirements.lock ".[s3]"
RUN denoisebench --version
WORKDIR /data
ENTRYPOINT ["denoisebench"]
CMD ["--help"]
