package io.tollgate.verify;

/** A promise of the contract that can be checked from the topics alone. */
public enum Invariant {
    CONSERVATION("Conservation"),
    ORDER("Order"),
    NO_OVER_ADMISSION("No over-admission"),
    CHARGED_ONCE("Charged once"),
    NO_FALSE_REFUSALS("No false refusals"),
    HOLDS_END_ONCE("Each hold ends once");

    private final String title;

    Invariant(String title) {
        this.title = title;
    }

    /** Returns the name that the contract uses. */
    public String title() {
        return title;
    }
}
