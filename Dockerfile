# An image that contains only jobplate, built from the archives of `cargo xtask dist`:
#   docker build --build-arg VERSION=0.1.0 --tag jobplate --file Dockerfile target/dist/v0.1.0
FROM scratch AS release
ARG VERSION
ARG TARGETARCH
ADD jobplate-${VERSION}-linux-${TARGETARCH}.tar.gz /
# jobplate stores long piped input in a temporary file, so /tmp must exist.
WORKDIR /tmp

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="jobplate" \
      org.opencontainers.image.description="Puts secret references and Prefect settings into Kubernetes job templates" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
COPY --from=release /jobplate /usr/local/bin/jobplate
COPY --from=release /LICENSE-APACHE /LICENSE-MIT /licenses/
COPY --from=release --chown=65532:65532 /tmp /tmp
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/jobplate"]
