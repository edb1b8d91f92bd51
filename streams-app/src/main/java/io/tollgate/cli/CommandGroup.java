package io.tollgate.cli;

/** A command that names others and does nothing by itself. */
abstract class CommandGroup extends PrintingCommand implements Runnable {
    @Override
    public void run() {
        throw Conventions.commandMissing(spec);
    }
}
