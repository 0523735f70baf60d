# WhisperChat in a container: built in one image, run in another that holds the binary, the system's
# certificates and nothing more. See docs/operations.md.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# Symbols stay, for backtraces that name functions; lines would double the size.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
RUN cargo build --release --locked --bin whisperchat
# The store's folder, for the user that the other image has.
RUN mkdir --mode 0700 /state

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/whisperchat /usr/bin/whisperchat
COPY --from=build --chown=nonroot:nonroot /state /var/lib/whisperchat
# Everywhere inside the container; which ports are published is said when it is run. Operators are asked from
# inside, by the health check.
ENV WHISPERCHAT_LISTEN=0.0.0.0:8080 \
    WHISPERCHAT_ADMIN_LISTEN=127.0.0.1:9090 \
    WHISPERCHAT_STORE__FOLDER=/var/lib/whisperchat
EXPOSE 8080
# Reports, bans and the audit log; name the volume, or a new container begins with nothing.
VOLUME /var/lib/whisperchat
USER nonroot
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 \
    CMD ["/usr/bin/whisperchat", "healthcheck"]
ENTRYPOINT ["/usr/bin/whisperchat"]
CMD ["serve"]
