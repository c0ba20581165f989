// Package interactions is the conversations that the simulated Gemini keeps: the Interactions API.
//
// # What is modelled
//
// They are made by POST interactions, of a model or, in the background alone, of an agent, plain or
// as events; read (events too, behind last_event_id), cancelled while they are in progress, and
// deleted. One that goes on from another of its project counts what was said there as input. The
// fields, events and usage are those that the SDK's source knows; that errors have their status in
// small letters for a code and no details, that agents draw on the quota of the first model, and
// that one in the background is done after two seconds are guesses. It is kept for a day, as the free
// tier does (documented).
package interactions
