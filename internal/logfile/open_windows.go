package logfile

// doNotFollow has no flag on Windows, where only administrators make symbolic links.
const doNotFollow = 0
