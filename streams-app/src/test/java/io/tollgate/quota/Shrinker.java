package io.tollgate.quota;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** Finds the shortest part of a history that still fails: leaves out steps, ever fewer at a time. */
final class Shrinker {
    private Shrinker() {}

    static History shrink(History failing, Predicate<History> stillFails) {
        var steps = failing.steps();
        for (int size = Math.max(1, steps.size() / 2); ; size = Math.max(1, size / 2)) {
            boolean shorter = true;
            while (shorter) {
                shorter = false;
                for (int from = steps.size() - size; from > -size; from -= size) {
                    var fewer = without(steps, Math.max(0, from), from + size);
                    if (fewer.size() < steps.size() && stillFails.test(new History(failing.setup(), fewer))) {
                        steps = fewer;
                        shorter = true;
                    }
                }
                if (size > 1) break;
            }
            if (size == 1) return new History(failing.setup(), steps);
        }
    }

    private static List<Step> without(List<Step> steps, int from, int to) {
        var fewer = new ArrayList<>(steps.subList(0, from));
        fewer.addAll(steps.subList(Math.min(steps.size(), to), steps.size()));
        return fewer;
    }
}
