//! The tests of the commands, each in a file of the name that the command has in `src/command`.

mod standalone;
