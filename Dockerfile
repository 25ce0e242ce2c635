# One image for Airflow's services, the model server and (target `tracking`) MLflow's server.
FROM python:3.11-slim AS build
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY provider provider
COPY dag_factory dag_factory
RUN uv venv /opt/mlops \
    && uv pip install --no-cache --python /opt/mlops/bin/python --constraint constraints.txt --compile-bytecode '.[postgres,s3]'

FROM python:3.11-slim AS base
# One thread for one row: more cost more than they give. The server's process inherits it.
ENV PATH=/opt/mlops/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    OMP_NUM_THREADS=1 \
    DO_NOT_TRACK=1 \
    PYTHONUNBUFFERED=1
RUN useradd --uid 50000 --create-home --home-dir /opt/airflow airflow \
    && mkdir -p /opt/airflow/dags /opt/airflow/logs /opt/store \
    && chown -R airflow /opt/airflow /opt/store
COPY --from=build /opt/mlops /opt/mlops
USER airflow
WORKDIR /opt/airflow

# mlflow-skinny has the client only; the server needs the whole package, of the same version.
FROM build AS build-tracking
RUN uv pip install --no-cache --python /opt/mlops/bin/python --compile-bytecode \
    "mlflow==$(/opt/mlops/bin/python -c 'from importlib.metadata import version; print(version("mlflow-skinny"))')"

FROM base AS tracking
COPY --from=build-tracking /opt/mlops /opt/mlops

FROM base AS mlops
