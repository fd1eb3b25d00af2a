# The embedded simulator: docker build -t simsync . && docker run --rm -p 8900:8900 -p 8901:8901 simsync
FROM python:3.13-slim

COPY setup.cfg pyproject.toml MANIFEST.in README.md LICENSE CHANGELOG.md SECURITY.md /source/
COPY simsync /source/simsync
RUN pip install --no-cache-dir '/source[local,cli,speed]' && rm -r /source

USER 65534:65534
EXPOSE 8900 8901
# Ctrl-C and `docker stop` end it in order: it answers SIGINT and SIGTERM as process 1 too.
ENTRYPOINT ["simsync", "local", "--host", "0.0.0.0"]
