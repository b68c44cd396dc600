# The container of one run, for the Kubernetes profile or `docker run`: nbs/how_to/cluster.ipynb
#   docker build --build-arg MAMBAFLOW_CODE="$(python -m mambaflow.studies.records | cut -d= -f2-)" -t mambaflow .
# The wheels of torch bring their own CUDA libraries, of the version of this base
FROM nvidia/cuda:13.0.1-base-ubuntu24.04
ARG TORCH=2.14.1
ARG TORCHVISION=0.29.1

# Triton compiles the start of its kernels when they are first called: gcc and Python's headers.
# rsync: how Snakemake's storage plugin copies records. Ubuntu keeps no older versions to pin
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    gcc libc6-dev python3.12 python3.12-dev python3.12-venv rsync \
 && rm -rf /var/lib/apt/lists/* \
 && python3.12 -m venv /opt/venv \
 && useradd --create-home --uid 10001 mambaflow
ENV PATH=/opt/venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1

# the large wheels first: they stay in their layer when only the code changes
RUN pip install torch==$TORCH torchvision==$TORCHVISION
COPY . /opt/mambaflow
WORKDIR /opt/mambaflow
RUN pip install --editable '.[workflow]' \
 && mkdir runs .snakemake \
 && chown mambaflow runs .snakemake

# records name the commit: there is no .git in here
ARG MAMBAFLOW_CODE
ENV MAMBAFLOW_CODE=$MAMBAFLOW_CODE
USER 10001
ENTRYPOINT ["snakemake"]
CMD ["--help"]
