# kilde in a small image, without a toolchain and not as root:
#
#   docker build --tag kilde .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/project" kilde build
#
# A cloud's keys, where a project needs some, come from the environment: `--env-file`.

# the version that Cargo.toml asks for
ARG RUST=1.95

FROM rust:${RUST}-slim-bookworm AS build
# the newest make will do
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /kilde

# Dependencies alone, over an empty program: this layer stays until Cargo.lock changes, and it is nearly all of the time.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src tests/it \
    && touch src/lib.rs tests/it/main.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --locked --release \
    && rm -r src tests

COPY README.md kilde.yaml ./
COPY pipelines pipelines
COPY schemas schemas
COPY seeds seeds
COPY sql sql
COPY exports exports
COPY src src
# cargo tells new from old by the time of a file, and COPY keeps the times of the checkout
RUN mkdir -p tests/it && touch src/lib.rs src/main.rs tests/it/main.rs && cargo build --locked --release

FROM debian:bookworm-slim
# the newest certificates are the point
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /kilde/target/release/kilde /usr/local/bin/kilde
COPY LICENSE NOTICE /usr/share/doc/kilde/
# a number, so that an orchestrator can see that it is not root
USER 65532:65532
WORKDIR /project
ENTRYPOINT ["kilde"]
