/* What a word that is neither a command nor an image can have meant: a command of docker's. */
#ifndef MRUN_RUNTIME_CMD_WORD_HINT_H
#define MRUN_RUNTIME_CMD_WORD_HINT_H

/* What to do instead, or NULL. */
const char *word_hint(const char *word);

#endif
