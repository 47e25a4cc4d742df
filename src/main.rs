use tailclaw::config;
fn main() -> std::process::ExitCode {
    let env = config::Environment::of_process();
    let paths = config::Paths::resolve(None, &env).unwrap();
    let draft = match config::load(paths, &env, &config::Overrides::default()) { Ok(d) => d, Err(e) => { eprintln!("{e}"); return 78.into(); } };
    let resolved = draft.complete().unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match rt.block_on(tailclaw::app::run(resolved, tailclaw::app::RunOptions::default())) { Ok(c) => c, Err(e) => { eprintln!("error: {e:#}"); 1.into() } }
}
