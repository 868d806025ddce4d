# mmflow as a container: the daemon with the project's own plugins. How it is used: docs/operating.md.
ARG PYTHON=3.13

# The first stage builds wheels from this checkout and installs them into an environment of their own.
FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY mmflow mmflow
COPY plugins plugins
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels ".[postgresql]" ./plugins/*
RUN python -m venv /opt/mmflow \
    && /opt/mmflow/bin/python -m pip install --no-cache-dir --no-index /wheels/*.whl

# The second holds that environment and nothing it was made from.
FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin mmflow \
    && install --directory --owner=mmflow --group=mmflow --mode=0750 /data
COPY --from=build /opt/mmflow /opt/mmflow
ENV PATH="/opt/mmflow/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    MMFLOW_ROOT=/data
USER mmflow
WORKDIR /data
# The root: mmflow.yaml and jobs/, and what is written, .mmflow/ and the output. Keys come from outside, at run time.
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=2m --retries=3 \
    CMD ["python", "-m", "mmflow", "doctor", "--health", "http://127.0.0.1:9464/health"]
ENTRYPOINT ["python", "-m", "mmflow"]
CMD ["daemon", "--log", "json", "--metrics", "127.0.0.1:9464"]
