// The obvious chat server on gorilla/websocket, in the classic dialect: `gorilla PORT`.
//
// Built like the chat example of the library: a goroutine that reads and one that writes for each connection,
// with a bounded queue between people, and a ping every 25 s. Who comes is compared with everybody who waits.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	pingEvery       = 25 * time.Second
	pongWait        = 60 * time.Second
	writeWait       = 10 * time.Second
	messageMaxBytes = 8192
	queueMax        = 256
	earthRadiusKm   = 6371.0
)

type location struct {
	Lat  float64 `json:"lat"`
	Long float64 `json:"long"`
}

type profile struct {
	Username string   `json:"username"`
	Location location `json:"location"`
	Range    int      `json:"range"`
}

type frame struct {
	Type string   `json:"type"`
	From *profile `json:"from"`
	Body string   `json:"body"`
}

// client is a connection and whoever is at the other end.
type client struct {
	socket *websocket.Conn
	queue  chan []byte
	// Closed when the connection ends: nothing is taken from the queue any more.
	done chan struct{}
	// Changed under the room's lock, read without it.
	profile atomic.Pointer[profile]
	chat    atomic.Pointer[chat]
	// Under the room's lock.
	isWaiting bool
}

// chat is what two have in common. Its lock keeps what is said before the news that one has left.
type chat struct {
	sync.Mutex
	people [2]*client
	isOver bool
}

// room holds those who wait, in the order in which they came.
type room struct {
	sync.Mutex
	waiting []*client
}

var (
	lobby    room
	upgrader = websocket.Upgrader{
		ReadBufferSize:  1024,
		WriteBufferSize: 1024,
		// As its documentation advises where there are many connections that seldom write.
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true },
	}
)

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }

func haversineKm(from, to location) float64 {
	halfLat := math.Sin(radians(to.Lat-from.Lat) / 2)
	halfLong := math.Sin(radians(to.Long-from.Long) / 2)
	a := halfLat*halfLat + math.Cos(radians(from.Lat))*math.Cos(radians(to.Lat))*halfLong*halfLong
	return 2 * earthRadiusKm * math.Asin(math.Min(1, math.Sqrt(a)))
}

func mayMeet(one, other *profile) bool {
	rangeKm := one.Range
	if other.Range < rangeKm {
		rangeKm = other.Range
	}
	return haversineKm(one.Location, other.Location) <= float64(rangeKm)
}

// encode writes a frame; it can't fail, as every number was read from JSON.
func encode(kind string, from *profile, body string) []byte {
	text, err := json.Marshal(frame{kind, from, body})
	if err != nil {
		log.Panic(err)
	}
	return text
}

// bind reads a client's first frame; nil if it is not a bind.
func bind(text []byte) *profile {
	var read frame
	if json.Unmarshal(text, &read) != nil || read.Type != "bind" || read.From == nil {
		return nil
	}
	if math.Abs(read.From.Location.Lat) > 90 || math.Abs(read.From.Location.Long) > 180 {
		return nil
	}
	return read.From
}

// tell queues a frame; who has too many there is let go.
func (c *client) tell(text []byte) {
	select {
	case c.queue <- text:
	case <-c.done:
	default:
		c.socket.Close()
	}
}

func (r *room) join(c *client) {
	r.Lock()
	defer r.Unlock()
	own := c.profile.Load()
	for i, other := range r.waiting {
		theirs := other.profile.Load()
		if mayMeet(own, theirs) {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			other.isWaiting = false
			both := &chat{people: [2]*client{c, other}}
			c.chat.Store(both)
			other.chat.Store(both)
			c.tell(encode("connected", theirs, ""))
			other.tell(encode("connected", own, ""))
			return
		}
	}
	c.isWaiting = true
	r.waiting = append(r.waiting, c)
}

func (r *room) leave(c *client) {
	r.Lock()
	defer r.Unlock()
	if c.isWaiting {
		c.isWaiting = false
		for i, other := range r.waiting {
			if other == c {
				r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
				break
			}
		}
	}
	if both := c.chat.Load(); both != nil {
		both.leave(c)
	}
}

// say tells both, unless one has left.
func (c *chat) say(text []byte) {
	c.Lock()
	defer c.Unlock()
	if !c.isOver {
		c.people[0].tell(text)
		c.people[1].tell(text)
	}
}

// leave ends the chat, and tells the other.
func (c *chat) leave(leaver *client) {
	c.Lock()
	defer c.Unlock()
	if c.isOver {
		return
	}
	c.isOver = true
	for _, person := range c.people {
		person.chat.Store(nil)
		if person != leaver {
			person.tell(encode("disconnected", leaver.profile.Load(), ""))
		}
	}
}

func (r *room) isWaiting(c *client) bool {
	r.Lock()
	defer r.Unlock()
	return c.isWaiting
}

func (c *client) hear(text []byte) bool {
	if both := c.chat.Load(); both != nil {
		both.say(encode("client", c.profile.Load(), string(text)))
		return true
	}
	// What is said while waiting is dropped, as in the original.
	if lobby.isWaiting(c) {
		return true
	}
	if read := bind(text); read != nil {
		c.profile.Store(read)
		lobby.join(c)
		return true
	}
	if c.profile.Load() != nil {
		return true
	}
	reason := websocket.FormatCloseMessage(websocket.ClosePolicyViolation, "the first message must be a bind")
	_ = c.socket.WriteControl(websocket.CloseMessage, reason, time.Now().Add(writeWait))
	return false
}

func (c *client) read() {
	defer func() {
		lobby.leave(c)
		close(c.done)
		c.socket.Close()
	}()
	c.socket.SetReadLimit(messageMaxBytes)
	deadline := func() { _ = c.socket.SetReadDeadline(time.Now().Add(pongWait)) }
	deadline()
	c.socket.SetPongHandler(func(string) error { deadline(); return nil })
	for {
		kind, text, err := c.socket.ReadMessage()
		if err != nil || kind != websocket.TextMessage || !c.hear(text) {
			return
		}
	}
}

func (c *client) write() {
	pings := time.NewTicker(pingEvery)
	defer pings.Stop()
	defer c.socket.Close()
	for {
		var err error
		select {
		case text := <-c.queue:
			_ = c.socket.SetWriteDeadline(time.Now().Add(writeWait))
			err = c.socket.WriteMessage(websocket.TextMessage, text)
		case <-pings.C:
			err = c.socket.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		case <-c.done:
			return
		}
		if err != nil {
			return
		}
	}
}

func serve(response http.ResponseWriter, request *http.Request) {
	if request.URL.Path != "/" {
		http.NotFound(response, request)
		return
	}
	socket, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	c := &client{socket: socket, queue: make(chan []byte, queueMax), done: make(chan struct{})}
	go c.write()
	// Not in this goroutine, whose stack and request would then be held for as long as the connection.
	go c.read()
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gorilla PORT")
		os.Exit(2)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(serve)))
}
