package io.tollgate.verify;

import java.util.ArrayList;
import java.util.List;

/** A table of longs that grows without copying: even millions of rows take eight bytes a cell and nothing else. */
final class LongTable {
    private static final int ROWS_PER_CHUNK = 4096;

    private final int width;
    private final List<long[]> chunks = new ArrayList<>();
    private int size;

    LongTable(int width) {
        this.width = width;
    }

    int size() {
        return size;
    }

    /** Adds a row and returns its number. */
    int add(long... cells) {
        if (size % ROWS_PER_CHUNK == 0) chunks.add(new long[ROWS_PER_CHUNK * width]);
        System.arraycopy(cells, 0, chunks.get(size / ROWS_PER_CHUNK), size % ROWS_PER_CHUNK * width, width);
        return size++;
    }

    long get(int row, int column) {
        return chunks.get(row / ROWS_PER_CHUNK)[row % ROWS_PER_CHUNK * width + column];
    }

    double getDouble(int row, int column) {
        return Double.longBitsToDouble(get(row, column));
    }

    void set(int row, int column, long value) {
        chunks.get(row / ROWS_PER_CHUNK)[row % ROWS_PER_CHUNK * width + column] = value;
    }

    /** Returns the row whose {@code column}, which must be ascending, holds {@code value}; -1 if there is none. */
    int find(int column, long value) {
        int low = 0;
        int high = size - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            long found = get(middle, column);
            if (found == value) return middle;
            if (found < value) low = middle + 1;
            else high = middle - 1;
        }
        return -1;
    }
}
