//! The key file's commands. None of them touches a database.

use crate::{
    keys::{Keys, KeysError},
    options::{KeyClass, KeysAction},
};

pub(super) fn run(action: KeysAction) -> Result<String, KeysError> {
    fn edit(
        file: &std::path::Path,
        class: KeyClass,
        change: impl FnOnce(&mut Keys, KeyClass) -> Result<(), KeysError>,
    ) -> Result<(), KeysError> {
        let mut keys = Keys::read(file)?;
        change(&mut keys, class)?;
        keys.ring()?;
        keys.replace(file)
    }
    let done = match action {
        KeysAction::Generate { file } => {
            Keys::generate()?.create(&file)?;
            return Ok(format!("{} holds new keys.", file.display()));
        }
        KeysAction::Rotate { file, class } => edit(&file, class, |keys, class| keys.add(class, true)),
        KeysAction::Stage { file, class } => edit(&file, class, |keys, class| keys.add(class, false)),
        KeysAction::Promote { file, class } => edit(&file, class, Keys::promote),
    };
    done.map(|()| "Restart the server to use the new keys.".to_owned())
}
