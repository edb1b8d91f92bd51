package io.tollgate.env;

/**
 * A setting in effect.
 *
 * @param name the variable
 * @param value the value, masked if it holds a secret; empty if unset
 * @param origin the origin of the value
 */
public record Setting(String name, String value, Origin origin) {}
