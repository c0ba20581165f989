package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// received is what a stream was when it was read.
type received struct {
	bytes     int64
	took      time.Duration
	firstByte time.Duration
	delays    []time.Duration // of the chunks, if asked for
}

// read asks for a stream and reads it to its end. Chunks carry their number and
// when they were made; one that is missing, or comes twice, is an error.
func (s *source) read(ctx context.Context, plan string, chunks int64, delays bool) (received, error) {
	var got received
	fail := func(err error) (received, error) { return got, fmt.Errorf("stream from %s: %w", s.url, err) }
	body := fmt.Appendf(nil, `{"contents":[{"role":"user","parts":[{"text":%q}]}]}`, plan)
	req, err := request(ctx, s.url, s.key, body)
	if err != nil {
		return fail(err)
	}
	begin := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // whatever there is of it
		return fail(fmt.Errorf("%s: %s", resp.Status, text))
	}
	r := bufio.NewReaderSize(resp.Body, 64<<10)
	if _, err := r.Peek(1); err != nil {
		return fail(err)
	}
	got.firstByte = time.Since(begin)
	next := int64(1)
	for {
		head, n, err := nextLine(r)
		now := time.Now()
		got.bytes += n
		number, made, ok := parseChunk(head)
		switch {
		case ok && number != next:
			return fail(fmt.Errorf("chunk %d came instead of %d", number, next))
		case ok:
			next++
			if delays {
				got.delays = append(got.delays, now.Sub(made))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(err)
		}
	}
	got.took = time.Since(begin)
	if next != chunks+1 {
		return fail(fmt.Errorf("%d chunks came, want %d", next-1, chunks))
	}
	return got, nil
}

// nextLine reads a line of any length and returns its beginning, which is valid
// until the next call, and its length. It keeps no more than the reader's buffer.
func nextLine(r *bufio.Reader) (head []byte, n int64, err error) {
	line, err := r.ReadSlice('\n')
	n = int64(len(line))
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, n, err
	}
	head = bytes.Clone(line[:min(len(line), 4<<10)])
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.ReadSlice('\n')
		n += int64(len(line))
	}
	return head, n, err
}

// parseChunk finds the mark of the simulator's planned streams in a line:
// "chunk 0000000001 at 0001700000000000000 ", in nanoseconds since 1970.
func parseChunk(line []byte) (number int64, made time.Time, ok bool) {
	_, rest, ok := bytes.Cut(line, []byte("chunk "))
	if !ok || len(rest) < 10+4+19 || string(rest[10:14]) != " at " {
		return 0, time.Time{}, false
	}
	number, err := strconv.ParseInt(string(rest[:10]), 10, 64)
	nanos, err2 := strconv.ParseInt(string(rest[14:33]), 10, 64)
	if errors.Join(err, err2) != nil {
		return 0, time.Time{}, false
	}
	return number, time.Unix(0, nanos), true
}
