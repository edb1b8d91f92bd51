# The image holds what the release archive holds. Build that first: ./mvnw -DskipTests package
FROM eclipse-temurin:25.0.2_10-jre-noble AS unpacked
COPY release/target/tollgate-*.tar.gz /tmp/tollgate.tar.gz
RUN mkdir /opt/tollgate && tar -xzf /tmp/tollgate.tar.gz --strip-components=1 -C /opt/tollgate

FROM eclipse-temurin:25.0.2_10-jre-noble
COPY --from=unpacked /opt/tollgate /opt/tollgate
COPY --chmod=0755 deploy/docker/healthcheck /opt/tollgate/healthcheck
# RocksDB unpacks its native library to a folder that allows to execute: a tmpfs for /tmp does not by default.
# A volume takes over the owner of the folder that it is mounted on. Numbers, because Kubernetes checks runAsNonRoot by them.
RUN mkdir /var/lib/tollgate && chown 10001:10001 /var/lib/tollgate
USER 10001:10001
WORKDIR /var/lib/tollgate
ENV TOLLGATE_HTTP_HOST=0.0.0.0 \
    TOLLGATE_STATE_DIR=/var/lib/tollgate/state \
    ROCKSDB_SHAREDLIB_DIR=/var/lib/tollgate
EXPOSE 8080
VOLUME /var/lib/tollgate
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["/opt/tollgate/healthcheck"]
# Exec form: SIGTERM reaches Java itself, which closes within 15 s. The first clean stop leaves the archive of class data on the
# volume (AutoCreateSharedArchive), and later starts are faster; another Java or another jar makes a new one. Without Xlog, Java would
# name each class that does not fit into it. Half of the memory is heap; RocksDB, network buffers and threads need the rest. More
# options: JAVA_TOOL_OPTIONS.
ENTRYPOINT ["java", "-XX:+UseParallelGC", "-XX:+UseCompactObjectHeaders", "-XX:MaxRAMPercentage=50", "-XX:+ExitOnOutOfMemoryError", "-XX:+AutoCreateSharedArchive", "-XX:SharedArchiveFile=/var/lib/tollgate/classes.jsa", "-Xlog:cds=off", "-jar", "/opt/tollgate/tollgate.jar"]
CMD ["run"]
