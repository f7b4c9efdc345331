package main

import "strings"

// splitter finds where SQL statements end. It is fed a script byte by byte and knows what
// sqlite3_complete knows: strings, names, comments, and that a trigger ends at END.
type splitter struct {
	text  strings.Builder // the statement so far
	quote byte            // what ends the string, name or comment we are in; 0: none
	last  byte            // the byte before, '-' or '/', where it may open a comment; else 0
	star  bool            // in a comment: the byte before was '*'
	word  []byte          // the word being read, in capitals

	head    bool // only words so far that may come before TRIGGER
	create  bool // CREATE was among them
	some    bool // there is more than space and comments
	trigger bool // in the definition of a trigger
	tail    tail // how it ends
}

// tail is how far the end of a trigger has been read: END after a semicolon, and one more.
type tail int

const (
	tailNone tail = iota
	tailSemicolon
	tailEnd
)

const (
	lineComment  = '\n'
	blockComment = '*'
)

// feed takes the next byte and returns a statement when it is complete with it.
func (s *splitter) feed(c byte) (statement string, complete bool) {
	if s.text.Len() == 0 {
		*s = splitter{head: true}
	}
	s.text.WriteByte(c)
	if s.quote != 0 {
		s.inside(c)
		return "", false
	}
	if s.opensComment(c) {
		return "", false
	}
	switch {
	case isWordByte(c):
		s.word = append(s.word, upper(c))
		return "", false
	case c == ';':
		s.endWord()
		return s.semicolon()
	}
	s.endWord()
	switch c {
	case ' ', '\t', '\n', '\r', '\f':
	case '\'', '"', '`':
		s.token("")
		s.quote = c
	case '[':
		s.token("")
		s.quote = ']'
	case '-', '/':
		s.last = c // what it is, the next byte tells
	default:
		s.token("")
	}
	return "", false
}

// rest is what was fed after the last complete statement; "" when that is nothing to execute.
func (s *splitter) rest() string {
	s.endWord()
	if s.text.Len() == 0 || !s.some {
		return ""
	}
	return s.text.String()
}

// pending tells whether a statement has begun.
func (s *splitter) pending() bool {
	return s.text.Len() > 0 && (s.some || s.quote != 0 || len(s.word) > 0)
}

func (s *splitter) inside(c byte) {
	switch {
	case s.quote == blockComment:
		if s.star && c == '/' {
			s.quote = 0
		}
		s.star = c == '*'
	case c == s.quote:
		s.quote = 0
	}
}

func (s *splitter) opensComment(c byte) bool {
	last := s.last
	s.last = 0
	switch {
	case last == '-' && c == '-':
		s.quote = lineComment
	case last == '/' && c == '*':
		s.quote, s.star = blockComment, false
	case last != 0:
		s.token("")
		return false
	default:
		return false
	}
	return true
}

func (s *splitter) endWord() {
	if len(s.word) > 0 {
		s.token(string(s.word))
		s.word = s.word[:0]
	}
}

// token takes note of a word, or of anything else as "".
func (s *splitter) token(word string) {
	s.some = true
	if s.trigger {
		if s.tail == tailSemicolon && word == "END" {
			s.tail = tailEnd
		} else {
			s.tail = tailNone
		}
		return
	}
	if !s.head {
		return
	}
	switch word {
	case "EXPLAIN", "QUERY", "PLAN", "TEMP", "TEMPORARY":
	case "CREATE":
		s.create = true
	case "TRIGGER":
		s.trigger = s.create
		s.head = false
	default:
		s.head = false
	}
}

func (s *splitter) semicolon() (string, bool) {
	if s.trigger && s.tail != tailEnd {
		s.tail = tailSemicolon
		return "", false
	}
	statement := s.text.String()
	if !s.some {
		statement = ""
	}
	s.text.Reset()
	return statement, true
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}
