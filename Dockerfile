# portcullis in an image that holds the program and an empty folder for its data.
#
#   docker build -t portcullis .
#   docker run --rm -p 8080:8080 -v portcullis:/data portcullis
#
# Without a policy file it runs with the built-in defaults. A file of your own goes to
# /data/portcullis.toml; relative paths in it are relative to /data:
#
#   docker run --rm -p 8080:8080 -v portcullis:/data \
#     -v ./portcullis.toml:/data/portcullis.toml:ro portcullis
#
# The command line reaches the running gateway: docker exec -it NAME /portcullis user list

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# glibc linked in, so that the last stage needs no system below it. The target is named so that
# the flag holds for the program alone and not for what runs while it is built.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
 && CARGO_PROFILE_RELEASE_STRIP=symbols RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --target "$target" \
 && mkdir -p /image/volume/data \
 && chmod 700 /image/volume/data \
 && cp "target/$target/release/portcullis" /image/portcullis \
 && /image/portcullis check config.example.toml

FROM scratch
COPY --from=build /image/portcullis /portcullis
# Whom upstreams and issuers at https:// are believed by.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /image/volume/ /
USER 65532:65532
# Store, keys and admin socket are made in the current folder, and a policy file is looked for
# there.
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/portcullis", "health"]
ENTRYPOINT ["/portcullis"]
# Inside a container 127.0.0.1 is nobody's. `docker run ... portcullis serve` listens where the
# policy file says.
CMD ["serve", "--listen", "0.0.0.0:8080"]
