// Package subtitles takes the cues of a subtitle file out and puts other texts into their place. Nothing else in the file
// changes: numbers, times, styles and comments are copied byte for byte.
//
// Files, from the top down; a file calls only those below it:
//
//   - subtitles.go: Cue, Parse, Put
//   - lines.go: lines, and where the cues of .srt and .vtt begin
package subtitles
