package io.tollgate.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import io.javalin.http.Context;
import org.jspecify.annotations.Nullable;

/**
 * The reason why a call fails, told as problem details (RFC 9457). Has no stack trace, because callers can cause
 * it at will.
 */
final class Problem extends RuntimeException {
    static final String CONTENT_TYPE = "application/problem+json";

    private static final long serialVersionUID = 1;

    private final int status;

    /** @param detail one sentence for the caller; echoes nothing of the call */
    Problem(int status, String detail) {
        super(detail, null, false, false);
        this.status = status;
    }

    /** The members of problem details that we use. */
    @JsonInclude(Include.NON_NULL)
    record Details(
            String type, String title, int status, @Nullable String detail) {
        static Details of(int status, @Nullable String detail) {
            return new Details("about:blank", Problem.title(status), status, detail);
        }
    }

    void answer(Context context) {
        answer(context, status, getMessage());
    }

    static void answer(Context context, int status, @Nullable String detail) {
        context.status(status).contentType(CONTENT_TYPE).result(Json.bytes(Details.of(status, detail)));
    }

    static String title(int status) {
        return switch (status) {
            case 400 -> "Bad Request";
            case 401 -> "Unauthorized";
            case 403 -> "Forbidden";
            case 404 -> "Not Found";
            case 405 -> "Method Not Allowed";
            case 408 -> "Request Timeout";
            case 412 -> "Precondition Failed";
            case 413 -> "Content Too Large";
            case 414 -> "URI Too Long";
            case 415 -> "Unsupported Media Type";
            case 431 -> "Request Header Fields Too Large";
            case 502 -> "Bad Gateway";
            case 503 -> "Service Unavailable";
            case 500 -> "Internal Server Error";
            default -> "Error";
        };
    }
}
