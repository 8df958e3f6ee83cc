# One image for every process; the command decides which one it is (docker-compose.yml, Procfile).
# The base is pinned by tag. To pin its bytes as well, add the digest that your registry shows for the tag:
# docker build --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements/production.txt /tmp/production.txt
RUN pip install --require-hashes --only-binary :all: --requirement /tmp/production.txt
WORKDIR /app
COPY manage.py ./
COPY readiness readiness
COPY templates templates
COPY static static
# The settings want secrets; these live for this one command and open nothing.
RUN READINESS_SECRET_KEY=build READINESS_ENCRYPTION_KEYS=build python manage.py collectstatic --noinput

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin readiness
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY deploy/container/healthcheck.py /usr/local/bin/healthcheck
WORKDIR /app
# The code belongs to root, so that a hole in the site cannot rewrite it; data lives in PostgreSQL and Redis.
USER readiness
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "/usr/local/bin/healthcheck"]
CMD ["sh", "-c", "exec uvicorn readiness.asgi:application --host \"$HOST\" --port \"$PORT\" --log-level warning --no-access-log --timeout-graceful-shutdown 3"]
