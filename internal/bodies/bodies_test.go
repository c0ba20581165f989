package bodies

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const mebibyte = 1 << 20

// What is taken is there again when it is given back, whoever takes it meanwhile.
func TestBudgetBoundsWhatIsHeld(t *testing.T) {
	b := New(10)
	first, err := b.Charge(6)
	require.NoError(t, err)
	_, err = b.Charge(5)
	require.ErrorIs(t, err, ErrFull)
	_, err = b.Charge(11)
	require.ErrorIs(t, err, ErrNever)
	require.NoError(t, first.Grow(4))
	require.ErrorIs(t, first.Grow(1), ErrNever)
	first.Release()
	first.Release() // once is enough, twice does no harm
	assert.Zero(t, b.Held())

	b = New(64)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 1000 {
				c, err := b.Charge(3)
				assert.LessOrEqual(t, b.Held(), b.size)
				if err == nil {
					_ = c.Grow(2) // there is room or there isn't
				}
				c.Release()
			}
		})
	}
	all.Wait()
	assert.Zero(t, b.Held())
}

// Without a budget everything has room.
func TestNoBudget(t *testing.T) {
	var none *Budget
	body, c, err := none.Read(strings.NewReader("abc"), Options{Length: -1, Most: 3})
	require.NoError(t, err)
	assert.Equal(t, "abc", string(body))
	require.NoError(t, c.Grow(math.MaxInt64))
	c.Release()
}

// What a body is, and what it takes, whether its length is known or not.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		size, length, most int64
		want               error
	}{
		"empty":                     {0, 0, 10, nil},
		"empty, unknown":            {0, -1, 10, nil},
		"small":                     {5, 5, 10, nil},
		"as large as it may be":     {10, 10, 10, nil},
		"unknown, as large as that": {10, -1, 10, nil},
		"unknown, one more":         {11, -1, 10, ErrTooLarge},
		"known, one more":           {11, 11, 10, ErrTooLarge},
		"less than was announced":   {9, 10, 10, io.ErrUnexpectedEOF},
		"large":                     {3 * mebibyte, 3 * mebibyte, 4 * mebibyte, nil},
		"large, unknown":            {3 * mebibyte, -1, 4 * mebibyte, nil},
		"too large, unknown":        {5 * mebibyte, -1, 4 * mebibyte, ErrTooLarge},
		"no room, known":            {13 * mebibyte, 13 * mebibyte, 14 * mebibyte, ErrNever},
		"no room, unknown":          {13 * mebibyte, -1, 14 * mebibyte, ErrNever},
	} {
		t.Run(name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.DataErrReader, iotest.HalfReader,
			} {
				b := New(12 * mebibyte)
				sent := bytes.Repeat([]byte("0123456789abcdef"), int(c.size)/16+1)[:c.size]
				body, held, err := b.Read(wrap(bytes.NewReader(sent)), Options{Length: c.length, Most: c.most})
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
				} else {
					require.NoError(t, err)
					require.True(t, bytes.Equal(sent, body))
					assert.GreaterOrEqual(t, b.Held(), int64(cap(body)), "all of it is charged")
				}
				held.Release()
				assert.Zero(t, b.Held())
			}
		})
	}
}

// Nothing is read of what has no room, and nothing is charged for it.
func TestNothingIsReadWithoutRoom(t *testing.T) {
	b := New(2*mebibyte + Each)
	_, held, err := b.Read(strings.NewReader("x"), Options{Length: 1, Most: mebibyte})
	require.NoError(t, err)
	unread := iotest.ErrReader(errors.New("it was read"))
	_, _, err = b.Read(unread, Options{Length: 2 * mebibyte, Most: 2 * mebibyte})
	require.ErrorIs(t, err, ErrFull)
	held.Release()
	_, again, err := b.Read(unread, Options{Length: 2 * mebibyte, Most: 2 * mebibyte})
	require.ErrorContains(t, err, "it was read")
	again.Release()
	assert.Zero(t, b.Held())
}

// What an answer is, and what it takes, whether its length is known or not, or wrong.
func TestReadAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		size, length, most int64
		want               error
	}{
		"empty":                  {0, -1, 10, nil},
		"small":                  {5, 5, 10, nil},
		"as large as it may be":  {10, -1, 10, nil},
		"one more":               {11, -1, 10, ErrTooLarge},
		"known, one more":        {11, 11, 10, ErrTooLarge},
		"large":                  {3 * mebibyte, 3 * mebibyte, 4 * mebibyte, nil},
		"large, unknown":         {3 * mebibyte, -1, 4 * mebibyte, nil},
		"larger than announced":  {3 * mebibyte, 100_000, 4 * mebibyte, nil},
		"smaller than announced": {3, 3 * mebibyte, 4 * mebibyte, nil},
		"too large, unknown":     {5 * mebibyte, -1, 4 * mebibyte, ErrTooLarge},
		"no room, known":         {13 * mebibyte, 13 * mebibyte, 14 * mebibyte, ErrNever},
		"no room, unknown":       {13 * mebibyte, -1, 14 * mebibyte, ErrNever},
	} {
		t.Run(name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.DataErrReader, iotest.HalfReader,
			} {
				b := New(12 * mebibyte)
				ctx, release := b.WithAnswers(t.Context())
				sent := bytes.Repeat([]byte("0123456789abcdef"), int(c.size)/16+1)[:c.size]
				text, err := ReadAnswer(ctx, wrap(bytes.NewReader(sent)), c.length, c.most)
				assert.GreaterOrEqual(t, b.Held(), int64(cap(text))-free, "all of it is charged")
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
					assert.True(t, bytes.HasPrefix(sent, text), "it has what came")
				} else {
					require.NoError(t, err)
					require.True(t, bytes.Equal(sent, text))
				}
				release()
				assert.Zero(t, b.Held())
			}
		})
	}
}

// An answer that is as large as it may be takes no more than that to see its end, and what it
// had before.
func TestReadAnswerTakesNoMoreThanItMay(t *testing.T) {
	b := New(9 * mebibyte)
	ctx, release := b.WithAnswers(t.Context())
	defer release()
	text, err := ReadAnswer(ctx, io.LimitReader(zeros{}, 4*mebibyte), -1, 4*mebibyte)
	require.NoError(t, err)
	assert.Len(t, text, 4*mebibyte)
	assert.EqualValues(t, 4*mebibyte+1, b.Held())
}

// Answers that come at a time take from one budget, and what is made of them does.
func TestAnswersAreChargedTogether(t *testing.T) {
	b := New(10 * mebibyte)
	ctx, release := b.WithAnswers(t.Context())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			_, err := ReadAnswer(ctx, io.LimitReader(zeros{}, mebibyte), mebibyte, mebibyte)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.GreaterOrEqual(t, b.Held(), int64(3*mebibyte))
	require.NoError(t, Take(ctx, 2*mebibyte))
	require.ErrorIs(t, Take(ctx, 11*mebibyte), ErrNever)
	body, err := b.Charge(4 * mebibyte)
	require.NoError(t, err)
	text, err := ReadAnswer(ctx, io.LimitReader(zeros{}, 2*mebibyte), -1, 2*mebibyte)
	require.ErrorIs(t, err, ErrFull)
	assert.NotEmpty(t, text)
	body.Release()
	release()
	assert.Zero(t, b.Held())
	text, err = ReadAnswer(t.Context(), strings.NewReader("abc"), -1, 3) // nobody counts
	require.NoError(t, err)
	assert.Equal(t, "abc", string(text))
	require.NoError(t, Take(t.Context(), math.MaxInt64))
}

// The one who reads hears how much has come, which is when it may take longer.
func TestCameIsTold(t *testing.T) {
	var told []int64
	const size = 5 * mebibyte / 2
	_, _, err := New(1<<30).Read(iotest.OneByteReader(io.LimitReader(zeros{}, size)), Options{
		Length: size, Most: size, Came: func(n int64) { told = append(told, n) },
	})
	require.NoError(t, err)
	assert.Equal(t, []int64{first, first + mebibyte, first + 2*mebibyte}, told)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// Memory is collected where what was given back is much beside what is held, and not for
// small bodies.
func TestWhatIsCollected(t *testing.T) {
	b := New(1 << 30)
	collected := 0
	b.collect = func() { collected++ }
	once := func(n int64) {
		t.Helper()
		_, c, err := b.Read(io.LimitReader(zeros{}, n), Options{Length: n, Most: n})
		require.NoError(t, err)
		c.Release()
	}
	for range 1000 {
		once(first)
	}
	assert.Zero(t, collected, "small ones are the runtime's business")
	once(6 * mebibyte)
	once(6 * mebibyte)
	assert.Zero(t, collected, "little was given back")
	once(6 * mebibyte)
	assert.Equal(t, 1, collected, "12 MiB were")
	once(6 * mebibyte)
	assert.Equal(t, 1, collected)

	_, many, err := b.Read(io.LimitReader(zeros{}, 200*mebibyte), Options{Length: 200 * mebibyte, Most: 1 << 30})
	require.NoError(t, err)
	collected = 0
	once(15 * mebibyte)
	once(15 * mebibyte)
	assert.Zero(t, collected, "beside 200 MiB that isn't much")
	once(30 * mebibyte)
	once(1 * mebibyte)
	assert.Equal(t, 1, collected)
	many.Release()

	collected = 0
	for range 1000 {
		_, err := b.Charge(1 << 30)
		require.NoError(t, err)
		_, err = b.Charge(1)
		require.ErrorIs(t, err, ErrFull)
		b.held.Store(0)
	}
	once(6 * mebibyte)
	assert.Equal(t, 1, collected, "those who are refused leave something, too")
}

// A budget and what it may cost beside are within the limit, and a process has so much
// memory as is needed for one.
func TestDefault(t *testing.T) {
	for _, limit := range []int64{128 * mebibyte, 460 * mebibyte, 1 << 30, 4 << 30} {
		budget := Default(limit)
		assert.LessOrEqual(t, budget+budget/2+itself, limit)
		assert.Greater(t, budget+budget/2+itself, limit-4)
	}
	assert.Zero(t, Default(10*mebibyte))
	assert.EqualValues(t, unlimited, Default(0))
	for _, budget := range []int64{33 * mebibyte, 512 * mebibyte} {
		assert.GreaterOrEqual(t, Default(Needed(budget)), budget-2)
		assert.Less(t, Default(Needed(budget)-mebibyte), budget)
	}
}

// The runtime is told of the container's memory, whichever way that is said, unless it
// was told something by whoever started it.
func TestLimit(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	missing, none := filepath.Join(dir, "missing"), file("none", "max\n")
	huge := file("huge", "9223372036854771712\n") // what cgroup v1 says for none
	assert.Zero(t, limit([]string{missing, none, huge, file("odd", "?")}))
	assert.EqualValues(t, math.MaxInt64, debug.SetMemoryLimit(-1), "nothing was told")

	const half = 512 * mebibyte
	want := int64(half - half/10)
	assert.Equal(t, want, limit([]string{none, file("some", "536870912\n"), huge}))
	assert.Equal(t, want, debug.SetMemoryLimit(-1))
	debug.SetMemoryLimit(300 * mebibyte)
	assert.EqualValues(t, 300*mebibyte, limit([]string{file("other", "1000000000")}), "GOMEMLIMIT goes first")
}
