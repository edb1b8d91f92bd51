package io.tollgate.env;

/**
 * A setting in effect.
 *
 * @param name the variable
 * @param value its value, masked where it is or holds a secret; empty: unset
 * @param origin where the value comes from
 */
public record Setting(String name, String value, Origin origin) {}
