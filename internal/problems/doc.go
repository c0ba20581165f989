// Package problems says what the errors of other packages (admission, storage, bodies, callers)
// mean to a caller: it makes each an [apierror.Problem]. Package apierror, which knows none of
// them, then writes it in the format of the API; a session is closed with it.
package problems
